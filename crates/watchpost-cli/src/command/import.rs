//! `watchpost import`: recorded events through the same mapping and delivery as live ones.
