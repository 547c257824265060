;; Y (M x N) = A (M x K) B (K x N) of single precision, row by row in linear memory.
;; M is a multiple of 4 and N of 8: four rows and eight columns at a time stay in
;; registers, eight accumulators of four lanes, while k runs.
(module
  (memory (export "memory") 1)
  (func (export "matmul")
    (param $a i32) (param $b i32) (param $y i32)
    (param $M i32) (param $K i32) (param $N i32)
    (local $i i32) (local $j i32) (local $k i32)
    (local $a0 i32) (local $a1 i32) (local $a2 i32) (local $a3 i32)
    (local $bp i32) (local $out i32) (local $rowA i32) (local $rowN i32)
    (local $b0 v128) (local $b1 v128) (local $x v128)
    (local $c00 v128) (local $c01 v128) (local $c10 v128) (local $c11 v128)
    (local $c20 v128) (local $c21 v128) (local $c30 v128) (local $c31 v128)
    (local.set $rowA (i32.shl (local.get $K) (i32.const 2))) ;; bytes of a row of A
    (local.set $rowN (i32.shl (local.get $N) (i32.const 2))) ;; of B and Y
    (loop $columns
      (local.set $i (i32.const 0))
      (loop $rows
        (local.set $a0
          (i32.add (local.get $a) (i32.mul (local.get $i) (local.get $rowA))))
        (local.set $a1 (i32.add (local.get $a0) (local.get $rowA)))
        (local.set $a2 (i32.add (local.get $a1) (local.get $rowA)))
        (local.set $a3 (i32.add (local.get $a2) (local.get $rowA)))
        (local.set $bp
          (i32.add (local.get $b) (i32.shl (local.get $j) (i32.const 2))))
        (local.set $c00 (v128.const f32x4 0 0 0 0))
        (local.set $c01 (v128.const f32x4 0 0 0 0))
        (local.set $c10 (v128.const f32x4 0 0 0 0))
        (local.set $c11 (v128.const f32x4 0 0 0 0))
        (local.set $c20 (v128.const f32x4 0 0 0 0))
        (local.set $c21 (v128.const f32x4 0 0 0 0))
        (local.set $c30 (v128.const f32x4 0 0 0 0))
        (local.set $c31 (v128.const f32x4 0 0 0 0))
        (local.set $k (i32.const 0))
        (loop $inner
          (local.set $b0 (v128.load (local.get $bp)))
          (local.set $b1 (v128.load offset=16 (local.get $bp)))
          (local.set $x (v128.load32_splat (local.get $a0)))
          (local.set $c00
            (f32x4.add (local.get $c00) (f32x4.mul (local.get $x) (local.get $b0))))
          (local.set $c01
            (f32x4.add (local.get $c01) (f32x4.mul (local.get $x) (local.get $b1))))
          (local.set $x (v128.load32_splat (local.get $a1)))
          (local.set $c10
            (f32x4.add (local.get $c10) (f32x4.mul (local.get $x) (local.get $b0))))
          (local.set $c11
            (f32x4.add (local.get $c11) (f32x4.mul (local.get $x) (local.get $b1))))
          (local.set $x (v128.load32_splat (local.get $a2)))
          (local.set $c20
            (f32x4.add (local.get $c20) (f32x4.mul (local.get $x) (local.get $b0))))
          (local.set $c21
            (f32x4.add (local.get $c21) (f32x4.mul (local.get $x) (local.get $b1))))
          (local.set $x (v128.load32_splat (local.get $a3)))
          (local.set $c30
            (f32x4.add (local.get $c30) (f32x4.mul (local.get $x) (local.get $b0))))
          (local.set $c31
            (f32x4.add (local.get $c31) (f32x4.mul (local.get $x) (local.get $b1))))
          (local.set $a0 (i32.add (local.get $a0) (i32.const 4)))
          (local.set $a1 (i32.add (local.get $a1) (i32.const 4)))
          (local.set $a2 (i32.add (local.get $a2) (i32.const 4)))
          (local.set $a3 (i32.add (local.get $a3) (i32.const 4)))
          (local.set $bp (i32.add (local.get $bp) (local.get $rowN)))
          (local.set $k (i32.add (local.get $k) (i32.const 1)))
          (br_if $inner (i32.lt_u (local.get $k) (local.get $K))))
        (local.set $out
          (i32.add
            (i32.add (local.get $y) (i32.mul (local.get $i) (local.get $rowN)))
            (i32.shl (local.get $j) (i32.const 2))))
        (v128.store (local.get $out) (local.get $c00))
        (v128.store offset=16 (local.get $out) (local.get $c01))
        (local.set $out (i32.add (local.get $out) (local.get $rowN)))
        (v128.store (local.get $out) (local.get $c10))
        (v128.store offset=16 (local.get $out) (local.get $c11))
        (local.set $out (i32.add (local.get $out) (local.get $rowN)))
        (v128.store (local.get $out) (local.get $c20))
        (v128.store offset=16 (local.get $out) (local.get $c21))
        (local.set $out (i32.add (local.get $out) (local.get $rowN)))
        (v128.store (local.get $out) (local.get $c30))
        (v128.store offset=16 (local.get $out) (local.get $c31))
        (local.set $i (i32.add (local.get $i) (i32.const 4)))
        (br_if $rows (i32.lt_u (local.get $i) (local.get $M))))
      (local.set $j (i32.add (local.get $j) (i32.const 8)))
      (br_if $columns (i32.lt_u (local.get $j) (local.get $N))))))
