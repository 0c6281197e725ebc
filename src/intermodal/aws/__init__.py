"""AWS as intermodal uses it: settings, patient clients, requests as values checked against AWS's own model."""
