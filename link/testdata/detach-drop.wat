;; A data segment that code drops: an instance remembers that, and no one can see it.
(module
  (memory (export "memory") 1)
  (data $passive "\07")
  (func (export "drop") (data.drop $passive)))
