"""What commands share: their options, what these ask for, and how names are completed."""
