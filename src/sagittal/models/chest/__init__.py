"""Networks that look at chest films: one draws heart and lungs, one tells findings."""
