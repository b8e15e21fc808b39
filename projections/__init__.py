"""The present shown: what people and programs see of the recorded past."""
