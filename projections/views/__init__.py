"""The read models in the database: their tables, the build that is live, and a step that moves it."""
