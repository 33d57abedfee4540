"""The dashboard: server-rendered pages in Japanese and English, without any asset from elsewhere."""
