"""What a rule change did: windows around the change, display filters, the tracker."""
