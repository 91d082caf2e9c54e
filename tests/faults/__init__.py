"""What must hold when processes die. `storm` kills at random; a ledger is the judge."""
