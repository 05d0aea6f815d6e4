# lint.bats - the house's rules, run as tests
load helper

@test "layers, triples, mirrors, sizes" {
    cd "$ROOT"
    run -0 sh tests/lint/house.sh
}

@test "every header compiles alone" {
    cd "$ROOT"
    need_command cc c++
    run -0 sh tests/lint/headers.sh
}

@test "kernels within their budgets, PTX without local memory, f64 and float atomics" {
    cd "$ROOT"
    need_command nvcc
    run -0 sh tests/lint/gpu.sh
}
