mod cached;
