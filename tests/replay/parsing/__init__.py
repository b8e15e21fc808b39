"""From a line to an event, or to a refusal that names every fault."""
