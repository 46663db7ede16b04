(module (memory 5000))
