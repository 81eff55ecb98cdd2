"""What a person does: flatten, adopt, manual trades. Pure."""
