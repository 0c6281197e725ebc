"""AWS as intermodal uses it: settings, clients that wait and ask again, requests as values checked against AWS's own model."""
