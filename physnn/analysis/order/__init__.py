"""Order parameters, structure factors, walls, defects and equilibrium."""
