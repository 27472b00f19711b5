"""HDF5 files that are written whole, sealed, and read only when the seal holds (h5py lives here)."""
