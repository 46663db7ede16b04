# Floating point: planets attract each other.
bodies = [
    # x, y, z, vx, vy, vz, mass
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 39.5],
    [4.8, -1.2, -0.1, 0.6, 2.8, -0.02, 0.038],
    [8.3, 4.1, -0.4, -1.0, 1.8, 0.008, 0.011],
    [12.9, -15.1, -0.2, 1.1, 0.9, -0.01, 0.0017],
    [15.4, -25.9, 0.2, 1.0, 0.6, -0.03, 0.002],
]
pairs = [(a, b) for i, a in enumerate(bodies) for b in bodies[i + 1 :]]


def advance(step, times):
    for _ in range(times):
        for a, b in pairs:
            dx, dy, dz = a[0] - b[0], a[1] - b[1], a[2] - b[2]
            distance = dx * dx + dy * dy + dz * dz
            magnitude = step / (distance * distance**0.5)
            by_a, by_b = a[6] * magnitude, b[6] * magnitude
            a[3] -= dx * by_b
            a[4] -= dy * by_b
            a[5] -= dz * by_b
            b[3] += dx * by_a
            b[4] += dy * by_a
            b[5] += dz * by_a
        for body in bodies:
            body[0] += step * body[3]
            body[1] += step * body[4]
            body[2] += step * body[5]


advance(0.001, 2_000)
print(" ".join(f"{body[0]:.6f}" for body in bodies))
