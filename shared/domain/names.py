"""What collections and tags may be called."""

COLLECTION_NAME = r"[a-z0-9][a-z0-9_-]{0,62}"
TAG_NAME = r"[A-Za-z][A-Za-z0-9._-]{0,99}"

NAMES_IN_WORDS = {
    COLLECTION_NAME: "must be 1 to 63 of a-z, 0-9, '-' and '_', and begin with a letter or digit",
    TAG_NAME: "must begin with a letter, then hold up to 99 letters, digits, '.', '_' and '-'",
}
"""What each pattern asks for."""
