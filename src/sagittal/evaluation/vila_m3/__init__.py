"""What VILA-M3's models are measured by: triggers, answers with and without specialists, language kept."""
