"""Import of other people's files into recordings: each module without an underscore holds the formats of one family as its IMPORTER."""
