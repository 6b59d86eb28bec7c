"""Signers whose private key is not in the home: a command, or a token that speaks PKCS#11."""
