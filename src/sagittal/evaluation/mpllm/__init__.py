"""What mpLLM is worth: questions put to it, configurations compared, the tables and pictures of the paper."""
