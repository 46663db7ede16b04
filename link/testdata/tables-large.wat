(module (memory 1) (table 1000000 funcref) (table 1 funcref))
