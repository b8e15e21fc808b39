"""Delivering: changes of levels are sent to endpoints, webhooks and topics, at least once and in their order."""
