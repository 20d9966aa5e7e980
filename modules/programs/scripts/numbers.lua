-- Arithmetic: the n-body problem, a spectral norm, Mandelbrot's set, a sieve, integer division.
-- Only operations that IEEE 754 defines exactly, so that every machine prints the same.
local size = tonumber(arg[1] or 100)

local function nbody(steps)
  local sun = 4 * 3.141592653589793 ^ 2
  local bodies = {
    {0, 0, 0, 0, 0, 0, sun},
    {4.84143144246472090, -1.16032004402742839, -0.103622044471123109,
     0.606326392995832, 2.81198684491626, -0.0252183616598876, 9.54791938424326609e-4 * sun},
    {8.34336671824457987, 4.12479856412430479, -0.403523417114321381,
     -1.01077434617879, 1.82566237123041, 0.00841576137658415, 2.85885980666130812e-4 * sun},
  }
  for _ = 1, steps do
    for i = 1, #bodies do
      local a = bodies[i]
      for j = i + 1, #bodies do
        local b = bodies[j]
        local x, y, z = a[1] - b[1], a[2] - b[2], a[3] - b[3]
        local d = x * x + y * y + z * z
        local m = 0.01 / (d * math.sqrt(d))
        a[4], a[5], a[6] = a[4] - x * b[7] * m, a[5] - y * b[7] * m, a[6] - z * b[7] * m
        b[4], b[5], b[6] = b[4] + x * a[7] * m, b[5] + y * a[7] * m, b[6] + z * a[7] * m
      end
      a[1], a[2], a[3] = a[1] + 0.01 * a[4], a[2] + 0.01 * a[5], a[3] + 0.01 * a[6]
    end
  end
  return bodies[1][1], bodies[2][2], bodies[3][3]
end

local function spectral(n)
  local function entry(i, j) local k = i + j - 1 return 1 / (k * (k - 1) / 2 + i) end
  local function times(u, transposed)
    local v = {}
    for i = 1, n do
      local sum = 0
      for j = 1, n do sum = sum + (transposed and entry(j, i) or entry(i, j)) * u[j] end
      v[i] = sum
    end
    return v
  end
  local u, v = {}, nil
  for i = 1, n do u[i] = 1 end
  for _ = 1, 5 do v = times(times(u), true) u = times(times(v), true) end
  local uv, vv = 0, 0
  for i = 1, n do uv = uv + u[i] * v[i] vv = vv + v[i] * v[i] end
  return math.sqrt(uv / vv)
end

local function mandelbrot(n)
  local inside = 0
  for row = 0, n - 1 do
    for column = 0, n - 1 do
      local cr, ci = 2 * column / n - 1.5, 2 * row / n - 1
      local r, i, left = 0.0, 0.0, 50
      while left > 0 and r * r + i * i <= 4 do
        r, i, left = r * r - i * i + cr, 2 * r * i + ci, left - 1
      end
      if left == 0 then inside = inside + 1 end
    end
  end
  return inside
end

local function sieve(n)
  local is, count = {}, 0
  for i = 2, n do is[i] = true end
  for i = 2, n do
    if is[i] then
      count = count + 1
      for k = i * i, n, i do is[k] = false end
    end
  end
  return count
end

local function integers(n)
  local x, sum = 88172645463325252, 0
  for i = 1, n do
    x = x ~ (x << 13)
    x = x ~ (x >> 7)
    x = x ~ (x << 17)
    sum = sum + x % i - x // (i + 5) + (math.ult(x, sum) and i or 0)
  end
  return x, sum, math.maxinteger // -1, 7 // -2, 7 % -3, -7 % 3, 7.5 // 2, -7.5 % 2
end

print(string.format("%.17g %.17g %.17g", nbody(size * 20)))
print(string.format("%.15f", spectral(size // 2)))
print(mandelbrot(size))
print(sieve(size * 300))
print(integers(size * 100))
print(2 ^ 53, 1e15, 1e16, 0.1, 1 / 3, -0.0, 1 / 0, 3 | 0, 10 // 0.0, math.tointeger(3.0))
print(tostring(1e100), 123456789012345678, 0x7fffffffffffffff + 1, 5 // 0.3, 2 ^ -1074)
