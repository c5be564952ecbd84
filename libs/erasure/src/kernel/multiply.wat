;; Matrix times bytes in GF(2^8), 16 bytes at a time.
;;
;; The product of a byte and a coefficient is the sum of the products of its two nibbles, and the
;; products of a nibble are a table of 16 bytes: one i8x16.swizzle looks up 16 of them (J. S. Plank,
;; K. M. Greenan and E. L. Miller, "Screaming fast Galois field arithmetic using Intel SIMD
;; instructions", FAST 2013).
;;
;; Where all coefficients of the first row are 1 its output is the exclusive or of the inputs, which
;; takes a quarter of the instructions.
;;
;; Sums stay in registers while all inputs pass, so that each input byte is loaded once for one or two
;; outputs and each output byte is stored once. Wider shapes run out of the 16 vector registers of
;; x86-64 and are slower.
;;
;; Memory (wasm-kernel.ts fills it):
;;        0  256 × 32 bytes: for each coefficient the products of the low nibble, then of the high one
;;     8192  16 × 256 bytes: the rows of coefficients
;;    16384  slots of $stride bytes: two outputs, then the inputs
;;
;; $row     the address of the (first) row; a second row lies 256 bytes behind it
;; $count   inputs, at least 1
;; $stride  bytes from one slot to the next, a multiple of 64
;; $length  bytes to compute, at least 1; whatever it is, whole groups of 64 (32) bytes are written
(module
  (memory (export "memory") 7 7)

  ;; One output, 64 bytes at a time.
  (func (export "multiplyOneRow") (param $row i32) (param $count i32) (param $stride i32) (param $length i32)
    (local $at i32) (local $end i32) (local $rowEnd i32)
    (local $coefficient i32) (local $input i32) (local $table i32)
    (local $nibbles v128) (local $low v128) (local $high v128)
    (local $in0 v128) (local $in1 v128) (local $in2 v128) (local $in3 v128)
    (local $sum0 v128) (local $sum1 v128) (local $sum2 v128) (local $sum3 v128)
    (local.set $nibbles (i8x16.splat (i32.const 0x0f)))
    (local.set $rowEnd (i32.add (local.get $row) (local.get $count)))
    (local.set $at (i32.const 16384))
    (local.set $end (i32.add (local.get $at) (local.get $length)))
    (loop $group
      (local.set $sum0 (v128.const i64x2 0 0))
      (local.set $sum1 (v128.const i64x2 0 0))
      (local.set $sum2 (v128.const i64x2 0 0))
      (local.set $sum3 (v128.const i64x2 0 0))
      (local.set $coefficient (local.get $row))
      (local.set $input (i32.add (local.get $at) (i32.shl (local.get $stride) (i32.const 1))))
      (loop $inputs
        (local.set $table (i32.shl (i32.load8_u (local.get $coefficient)) (i32.const 5)))
        (local.set $low (v128.load (local.get $table)))
        (local.set $high (v128.load offset=16 (local.get $table)))
        (local.set $in0 (v128.load (local.get $input)))
        (local.set $in1 (v128.load offset=16 (local.get $input)))
        (local.set $in2 (v128.load offset=32 (local.get $input)))
        (local.set $in3 (v128.load offset=48 (local.get $input)))
        (local.set $sum0 (v128.xor (local.get $sum0)
          (i8x16.swizzle (local.get $low) (v128.and (local.get $in0) (local.get $nibbles)))))
        (local.set $sum1 (v128.xor (local.get $sum1)
          (i8x16.swizzle (local.get $low) (v128.and (local.get $in1) (local.get $nibbles)))))
        (local.set $sum2 (v128.xor (local.get $sum2)
          (i8x16.swizzle (local.get $low) (v128.and (local.get $in2) (local.get $nibbles)))))
        (local.set $sum3 (v128.xor (local.get $sum3)
          (i8x16.swizzle (local.get $low) (v128.and (local.get $in3) (local.get $nibbles)))))
        (local.set $sum0 (v128.xor (local.get $sum0) (i8x16.swizzle (local.get $high)
          (v128.and (i16x8.shr_u (local.get $in0) (i32.const 4)) (local.get $nibbles)))))
        (local.set $sum1 (v128.xor (local.get $sum1) (i8x16.swizzle (local.get $high)
          (v128.and (i16x8.shr_u (local.get $in1) (i32.const 4)) (local.get $nibbles)))))
        (local.set $sum2 (v128.xor (local.get $sum2) (i8x16.swizzle (local.get $high)
          (v128.and (i16x8.shr_u (local.get $in2) (i32.const 4)) (local.get $nibbles)))))
        (local.set $sum3 (v128.xor (local.get $sum3) (i8x16.swizzle (local.get $high)
          (v128.and (i16x8.shr_u (local.get $in3) (i32.const 4)) (local.get $nibbles)))))
        (local.set $input (i32.add (local.get $input) (local.get $stride)))
        (local.set $coefficient (i32.add (local.get $coefficient) (i32.const 1)))
        (br_if $inputs (i32.lt_u (local.get $coefficient) (local.get $rowEnd))))
      (v128.store (local.get $at) (local.get $sum0))
      (v128.store offset=16 (local.get $at) (local.get $sum1))
      (v128.store offset=32 (local.get $at) (local.get $sum2))
      (v128.store offset=48 (local.get $at) (local.get $sum3))
      (local.set $at (i32.add (local.get $at) (i32.const 64)))
      (br_if $group (i32.lt_u (local.get $at) (local.get $end)))))

  ;; Two outputs, $a and $b, 32 bytes at a time.
  (func (export "multiplyTwoRows") (param $row i32) (param $count i32) (param $stride i32) (param $length i32)
    (local $at i32) (local $end i32) (local $rowEnd i32)
    (local $coefficient i32) (local $input i32) (local $table i32)
    (local $nibbles v128) (local $products v128)
    (local $low0 v128) (local $low1 v128) (local $high0 v128) (local $high1 v128)
    (local $a0 v128) (local $a1 v128) (local $b0 v128) (local $b1 v128)
    (local.set $nibbles (i8x16.splat (i32.const 0x0f)))
    (local.set $rowEnd (i32.add (local.get $row) (local.get $count)))
    (local.set $at (i32.const 16384))
    (local.set $end (i32.add (local.get $at) (local.get $length)))
    (loop $group
      (local.set $a0 (v128.const i64x2 0 0))
      (local.set $a1 (v128.const i64x2 0 0))
      (local.set $b0 (v128.const i64x2 0 0))
      (local.set $b1 (v128.const i64x2 0 0))
      (local.set $coefficient (local.get $row))
      (local.set $input (i32.add (local.get $at) (i32.shl (local.get $stride) (i32.const 1))))
      (loop $inputs
        (local.set $low0 (v128.load (local.get $input)))
        (local.set $low1 (v128.load offset=16 (local.get $input)))
        (local.set $high0 (v128.and (i16x8.shr_u (local.get $low0) (i32.const 4)) (local.get $nibbles)))
        (local.set $high1 (v128.and (i16x8.shr_u (local.get $low1) (i32.const 4)) (local.get $nibbles)))
        (local.set $low0 (v128.and (local.get $low0) (local.get $nibbles)))
        (local.set $low1 (v128.and (local.get $low1) (local.get $nibbles)))
        (local.set $table (i32.shl (i32.load8_u (local.get $coefficient)) (i32.const 5)))
        (local.set $products (v128.load (local.get $table)))
        (local.set $a0 (v128.xor (local.get $a0) (i8x16.swizzle (local.get $products) (local.get $low0))))
        (local.set $a1 (v128.xor (local.get $a1) (i8x16.swizzle (local.get $products) (local.get $low1))))
        (local.set $products (v128.load offset=16 (local.get $table)))
        (local.set $a0 (v128.xor (local.get $a0) (i8x16.swizzle (local.get $products) (local.get $high0))))
        (local.set $a1 (v128.xor (local.get $a1) (i8x16.swizzle (local.get $products) (local.get $high1))))
        (local.set $table (i32.shl (i32.load8_u offset=256 (local.get $coefficient)) (i32.const 5)))
        (local.set $products (v128.load (local.get $table)))
        (local.set $b0 (v128.xor (local.get $b0) (i8x16.swizzle (local.get $products) (local.get $low0))))
        (local.set $b1 (v128.xor (local.get $b1) (i8x16.swizzle (local.get $products) (local.get $low1))))
        (local.set $products (v128.load offset=16 (local.get $table)))
        (local.set $b0 (v128.xor (local.get $b0) (i8x16.swizzle (local.get $products) (local.get $high0))))
        (local.set $b1 (v128.xor (local.get $b1) (i8x16.swizzle (local.get $products) (local.get $high1))))
        (local.set $input (i32.add (local.get $input) (local.get $stride)))
        (local.set $coefficient (i32.add (local.get $coefficient) (i32.const 1)))
        (br_if $inputs (i32.lt_u (local.get $coefficient) (local.get $rowEnd))))
      (v128.store (local.get $at) (local.get $a0))
      (v128.store offset=16 (local.get $at) (local.get $a1))
      (v128.store (i32.add (local.get $at) (local.get $stride)) (local.get $b0))
      (v128.store offset=16 (i32.add (local.get $at) (local.get $stride)) (local.get $b1))
      (local.set $at (i32.add (local.get $at) (i32.const 32)))
      (br_if $group (i32.lt_u (local.get $at) (local.get $end)))))

  ;; The exclusive or of the inputs, 64 bytes at a time. $row is not looked at.
  (func (export "sumInputs") (param $row i32) (param $count i32) (param $stride i32) (param $length i32)
    (local $at i32) (local $end i32) (local $left i32) (local $input i32)
    (local $sum0 v128) (local $sum1 v128) (local $sum2 v128) (local $sum3 v128)
    (local.set $at (i32.const 16384))
    (local.set $end (i32.add (local.get $at) (local.get $length)))
    (loop $group
      (local.set $sum0 (v128.const i64x2 0 0))
      (local.set $sum1 (v128.const i64x2 0 0))
      (local.set $sum2 (v128.const i64x2 0 0))
      (local.set $sum3 (v128.const i64x2 0 0))
      (local.set $left (local.get $count))
      (local.set $input (i32.add (local.get $at) (i32.shl (local.get $stride) (i32.const 1))))
      (loop $inputs
        (local.set $sum0 (v128.xor (local.get $sum0) (v128.load (local.get $input))))
        (local.set $sum1 (v128.xor (local.get $sum1) (v128.load offset=16 (local.get $input))))
        (local.set $sum2 (v128.xor (local.get $sum2) (v128.load offset=32 (local.get $input))))
        (local.set $sum3 (v128.xor (local.get $sum3) (v128.load offset=48 (local.get $input))))
        (local.set $input (i32.add (local.get $input) (local.get $stride)))
        (br_if $inputs (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
      (v128.store (local.get $at) (local.get $sum0))
      (v128.store offset=16 (local.get $at) (local.get $sum1))
      (v128.store offset=32 (local.get $at) (local.get $sum2))
      (v128.store offset=48 (local.get $at) (local.get $sum3))
      (local.set $at (i32.add (local.get $at) (i32.const 64)))
      (br_if $group (i32.lt_u (local.get $at) (local.get $end)))))

  ;; Two outputs, 32 bytes at a time: $a the exclusive or of the inputs, $b by the second row.
  (func (export "sumAndMultiplyRow") (param $row i32) (param $count i32) (param $stride i32) (param $length i32)
    (local $at i32) (local $end i32) (local $rowEnd i32)
    (local $coefficient i32) (local $input i32) (local $table i32)
    (local $nibbles v128) (local $products v128) (local $in0 v128) (local $in1 v128)
    (local $a0 v128) (local $a1 v128) (local $b0 v128) (local $b1 v128)
    (local.set $nibbles (i8x16.splat (i32.const 0x0f)))
    (local.set $rowEnd (i32.add (local.get $row) (local.get $count)))
    (local.set $at (i32.const 16384))
    (local.set $end (i32.add (local.get $at) (local.get $length)))
    (loop $group
      (local.set $a0 (v128.const i64x2 0 0))
      (local.set $a1 (v128.const i64x2 0 0))
      (local.set $b0 (v128.const i64x2 0 0))
      (local.set $b1 (v128.const i64x2 0 0))
      (local.set $coefficient (local.get $row))
      (local.set $input (i32.add (local.get $at) (i32.shl (local.get $stride) (i32.const 1))))
      (loop $inputs
        (local.set $in0 (v128.load (local.get $input)))
        (local.set $in1 (v128.load offset=16 (local.get $input)))
        (local.set $a0 (v128.xor (local.get $a0) (local.get $in0)))
        (local.set $a1 (v128.xor (local.get $a1) (local.get $in1)))
        (local.set $table (i32.shl (i32.load8_u offset=256 (local.get $coefficient)) (i32.const 5)))
        (local.set $products (v128.load (local.get $table)))
        (local.set $b0 (v128.xor (local.get $b0)
          (i8x16.swizzle (local.get $products) (v128.and (local.get $in0) (local.get $nibbles)))))
        (local.set $b1 (v128.xor (local.get $b1)
          (i8x16.swizzle (local.get $products) (v128.and (local.get $in1) (local.get $nibbles)))))
        (local.set $products (v128.load offset=16 (local.get $table)))
        (local.set $b0 (v128.xor (local.get $b0) (i8x16.swizzle (local.get $products)
          (v128.and (i16x8.shr_u (local.get $in0) (i32.const 4)) (local.get $nibbles)))))
        (local.set $b1 (v128.xor (local.get $b1) (i8x16.swizzle (local.get $products)
          (v128.and (i16x8.shr_u (local.get $in1) (i32.const 4)) (local.get $nibbles)))))
        (local.set $input (i32.add (local.get $input) (local.get $stride)))
        (local.set $coefficient (i32.add (local.get $coefficient) (i32.const 1)))
        (br_if $inputs (i32.lt_u (local.get $coefficient) (local.get $rowEnd))))
      (v128.store (local.get $at) (local.get $a0))
      (v128.store offset=16 (local.get $at) (local.get $a1))
      (v128.store (i32.add (local.get $at) (local.get $stride)) (local.get $b0))
      (v128.store offset=16 (i32.add (local.get $at) (local.get $stride)) (local.get $b1))
      (local.set $at (i32.add (local.get $at) (i32.const 32)))
      (br_if $group (i32.lt_u (local.get $at) (local.get $end))))))
