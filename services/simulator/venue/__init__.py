"""The exchange model: orders, accounts, and what the market does to them. Pure, but for its ledger's file."""
