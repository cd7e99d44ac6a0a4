"""What all chapters share: claims, records, figures, and rendering."""
