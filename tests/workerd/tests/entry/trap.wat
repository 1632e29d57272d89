;; Two ways to trap: at once, and when the stack is full.
(module
  (func (export "unreachable") (unreachable))
  (func $overflow (export "overflow") (result i32) (i32.add (call $overflow) (i32.const 1))))
