"""One effect size a file."""
