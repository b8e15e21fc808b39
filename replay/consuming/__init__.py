"""Events out of Kafka: messages of a topic → the ledger, and only then the group's offsets; the refused ones kept."""
