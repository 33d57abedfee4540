"""What the agent needs of its surroundings, as Protocols; adapters implement them."""
