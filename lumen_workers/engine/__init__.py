"""How declared work runs: claims, execution, seals, election, reconciling. Knows no stage and no tick by name."""
