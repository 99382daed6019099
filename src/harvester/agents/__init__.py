"""The agents: each claims rows that wait for it, acts on them, and writes what became of them."""
