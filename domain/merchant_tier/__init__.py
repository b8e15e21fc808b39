"""The tiers LV0 to LV7 of merchants: the rule, and the facts it reads."""
