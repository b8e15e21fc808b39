"""How records come about, one by one, and what may never be one."""
