"""`guard bench streams`: how many streams this machine carries, and what each costs."""
