"""What a job took and how hot its devices were: `report` says it, `decoding` is its part of the one door."""
