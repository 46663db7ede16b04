(module (memory 1) (table 20 funcref) (table 0 2000000 externref) (table 7 7 funcref))
