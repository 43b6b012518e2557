"""Published samples and how they are downloaded."""
