"""Contents of files, and starting studies for them."""
