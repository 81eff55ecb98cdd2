"""What a person does: flatten, adopt, and trades by hand. Pure."""
