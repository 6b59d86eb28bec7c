"""What an effect is worth saying: quotes for changes that helped, risks for changes that harmed (S07)."""
