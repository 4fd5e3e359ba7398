#include <weft/backends/cpu/conv_direct.h>

#include <algorithm>

#include <weft/backends/cpu/columns.h>
#include <weft/backends/cpu/kernels.h>
#include <weft/backends/cpu/scratch.h>
#include <weft/core/thread_pool.h>

namespace weft::backends::cpu {
namespace {

constexpr std::int64_t copy_limit = 8 << 20;     // bytes of a padded copy; larger images take the matrix of columns
constexpr std::int64_t block_bytes = 384 << 10;  // of a block's copy, about: it is to stay in the second-level cache

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
std::int64_t round_up(std::int64_t a, std::int64_t b) { return ceil_div(a, b) * b; }
double volume(std::int64_t a, std::int64_t b, std::int64_t c) {
  return static_cast<double>(a) * static_cast<double>(b) * static_cast<double>(c);
}

template <class T>
const ConvKernels& conv_kernels() {
  if constexpr (sizeof(T) == sizeof(double)) return *kernels().conv_float64;
  return *kernels().conv_float32;
}

/// A box of positions cut into vectors.
struct Vectors {
  std::int64_t count = 0, a_row = 0;  // vectors; those of one row, or 0 where they run across rows
  Scratch<std::int64_t> at, run_end;
  Scratch<WindowRun> runs;
};

/// Where positions (i0, i1, i2) of a box lie: first + i0 pitch0 + i1 pitch1 + i2 step.
struct Place {
  std::int64_t first, pitch0, pitch1;
};

/// Vectors lie within rows, or, where rows follow each other and that takes fewer, run across what lies between them.
void cut(std::int64_t lanes, const std::int64_t* n, const Place& in, const Place& out, std::int64_t out_step,
         Vectors* v) {
  const std::int64_t rows = n[0] * n[1], in_a_row = ceil_div(n[2], lanes);
  const std::int64_t joined = ceil_div((n[1] - 1) * in.pitch1 + n[2], lanes);
  const bool join = n[0] == 1 && joined < n[1] * in_a_row;
  v->count = join ? joined : rows * in_a_row;
  v->a_row = join ? 0 : in_a_row;
  std::int64_t* at = v->at.get(std::max<std::int64_t>(v->count, 1));
  std::int64_t* end = v->run_end.get(std::max<std::int64_t>(v->count, 1));
  WindowRun* runs = v->runs.get(v->count + rows);
  std::int64_t used = 0;
  if (!join) {
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::int64_t i0 = row / n[1], i1 = row % n[1];
      for (std::int64_t i2 = 0; i2 < n[2]; i2 += lanes) {
        *at++ = in.first + i0 * in.pitch0 + i1 * in.pitch1 + i2;
        runs[used++] = {0, std::min(lanes, n[2] - i2), out.first + i0 * out.pitch0 + i1 * out.pitch1 + i2 * out_step};
        *end++ = used;
      }
    }
    return;
  }
  for (std::int64_t k = 0; k < joined; ++k) {
    const std::int64_t begin = k * lanes;
    *at++ = in.first + begin;
    for (std::int64_t i1 = begin / in.pitch1; i1 < n[1] && i1 * in.pitch1 < begin + lanes; ++i1) {
      const std::int64_t from = std::max(begin, i1 * in.pitch1), to = std::min(begin + lanes, i1 * in.pitch1 + n[2]);
      if (from >= to) continue;
      runs[used++] = {from - begin, to - from, out.first + i1 * out.pitch1 + (from - i1 * in.pitch1) * out_step};
    }
    *end++ = used;
  }
}

/// What the windows of y look at: as much of x as output rows [begin, begin + count) along `axis` see, all of the rest.
PaddedImage padded_input(const ConvPlan& s, int axis, std::int64_t begin, std::int64_t count) {
  PaddedImage p;
  for (int i = 0; i < 3; ++i) {
    const WindowAxis& a = s.axis[i];
    const std::int64_t first = i == axis ? begin : 0, n = i == axis ? count : a.out;
    p.low[i] = -a.first(first);
    if (a.kernel == 1) {  // what the stride steps over is not looked at
      p.step[i] = a.stride;
      p.extent[i] = n;
    } else {
      p.extent[i] = (n - 1) * a.stride + (a.kernel - 1) * a.dilation + 1;
    }
  }
  p.phases = s.axis[2].kernel == 1 ? 1 : s.axis[2].stride;
  p.extent[2] = round_up(p.extent[2], p.phases);
  return p;
}

/// From one output row to the next, in rows of that image.
std::int64_t row_step(const WindowAxis& a) { return a.kernel == 1 ? 1 : a.stride; }

/// The offsets in that image of the terms (channel, tap) of one group.
void input_terms(const ConvPlan& s, const PaddedImage& p, std::int64_t* term) {
  for (std::int64_t c = 0; c < s.channels; ++c) {
    for (std::int64_t t = 0; t < s.taps; ++t) {
      const std::int64_t t2 = t % s.axis[2].kernel, t1 = t / s.axis[2].kernel % s.axis[1].kernel,
                         t0 = t / s.axis[2].kernel / s.axis[1].kernel;
      *term++ = c * p.plane() + p.at(t0 * s.axis[0].dilation, t1 * s.axis[1].dilation, t2 * s.axis[2].dilation);
    }
  }
}

/// Elements of a copy, and the lanes behind it that a last vector may read.
template <class T>
std::int64_t copy_elements(const PaddedImage& p, std::int64_t channels) {
  return channels * p.plane() + 64;
}

std::int64_t extents_of(const ConvPlan& s, std::int64_t* in) {
  for (int i = 0; i < 3; ++i) in[i] = s.axis[i].in;
  return s.in_size;
}

}  // namespace

template <class T>
bool direct_forward(const ConvPlan& s, const T* x, const T* w, T* y) {
  const ConvKernels& k = conv_kernels<T>();
  const int axis = s.axis[0].out > 1 ? 0 : 1;
  const WindowAxis& blocked = s.axis[axis];
  // As many rows to a block as keep its copy in the cache, and its work worth a thread.
  const std::int64_t a_row = padded_input(s, axis, 0, 1).plane() / ((blocked.kernel - 1) * blocked.dilation + 1) *
                             s.channels * static_cast<std::int64_t>(sizeof(T));
  const std::int64_t halo = std::max<std::int64_t>(0, (blocked.kernel - 1) * blocked.dilation + 1 - blocked.stride);
  const std::int64_t fitting = (block_bytes / std::max<std::int64_t>(a_row, 1) - halo) / blocked.stride;
  const std::int64_t worth =
      1 + static_cast<std::int64_t>(conv_chunk_work / volume(s.filters, s.depth, s.out_size / blocked.out));
  const std::int64_t wished = std::clamp<std::int64_t>(std::max({fitting, worth, 2 * halo}), 1, blocked.out);
  const std::int64_t blocks = ceil_div(blocked.out, wished), rows = ceil_div(blocked.out, blocks);
  const PaddedImage whole = padded_input(s, axis, 0, rows);
  const std::int64_t copy = copy_elements<T>(whole, s.channels) * static_cast<std::int64_t>(sizeof(T));
  if (s.pointwise() || copy > copy_limit) return false;

  const Scratch<std::int64_t> term(2 * s.depth);
  input_terms(s, whole, term.data());
  std::int64_t* index = term.data() + s.depth;
  for (std::int64_t i = 0; i < s.depth; ++i) index[i] = i;
  const Scratch<T> packed(s.groups * s.filters * s.depth);
  for (std::int64_t g = 0; g < s.groups; ++g) {
    const std::int64_t at = g * s.filters * s.depth;
    k.pack_rows(w + at, s.filters, s.depth, index, s.depth, packed.data() + at);
  }
  std::int64_t n[3] = {s.axis[0].out, s.axis[1].out, s.axis[2].out}, in[3];
  extents_of(s, in);
  n[axis] = rows;
  const std::int64_t line = whole.extent[2];
  const Place from = {0, whole.extent[1] * line * row_step(s.axis[0]), line * row_step(s.axis[1])};
  const Place to = {0, s.axis[1].out * s.axis[2].out, s.axis[2].out};
  Vectors full, last;
  cut(k.lanes, n, from, to, 1, &full);
  const std::int64_t rest = blocked.out - (blocks - 1) * rows;
  n[axis] = rest;
  if (rest != rows) cut(k.lanes, n, from, to, 1, &last);

  const std::int64_t jobs = s.batch * s.groups * blocks;
  const double work = volume(s.filters, s.depth, rows * (s.out_size / blocked.out));
  parallel_for(jobs, conv_chunk(jobs, work, copy), [&](std::int64_t begin, std::int64_t end) {
    const Scratch<T> memory(copy_elements<T>(whole, s.channels));
    std::fill_n(memory.data() + s.channels * whole.plane(), 64, T(0));
    for (std::int64_t job = begin; job < end; ++job) {
      const std::int64_t image = job / blocks, g = image % s.groups, block = job % blocks;
      PaddedImage p = whole;
      p.low[axis] = -blocked.first(block * rows);
      pad_image(p, x + image * s.channels * s.in_size, in, s.channels, memory.data());
      const Vectors& v = block == blocks - 1 && rest != rows ? last : full;
      Windows c = {};
      c.rows = packed.data() + g * s.filters * s.depth;
      c.row_count = s.filters;
      c.depth = s.depth;
      c.panel = product_panel;
      c.image = memory.data();
      c.term = term.data();
      c.vectors = v.count;
      c.vector = v.at.data();
      c.run_end = v.run_end.data();
      c.runs = v.runs.data();
      c.out = y + image * s.filters * s.out_size + block * rows * (s.out_size / blocked.out);
      c.out_row_stride = s.out_size;
      c.out_step = 1;
      k.windows(c);
    }
  });
  return true;
}

namespace {

/// The elements of dx that the same taps reach: every stride-th along each axis.
struct Phase {
  Vectors vectors;
  std::int64_t depth = 0;
  std::int64_t first = 0;  // of its terms, and of its packed rows per channel
};

}  // namespace

template <class T>
bool direct_grad_input(const ConvPlan& s, T* dx, const T* w, const T* dy) {
  // With one tap the product of the weights and dy is dx, only spread out: measured, that is the faster way.
  if (s.taps == 1 || s.filters > product_panel) return false;
  const ConvKernels& k = conv_kernels<T>();
  // Element i is looked at by tap t from position o where o stride + t dilation = i + padding. With i + padding =
  // u stride + r: o = u - (t dilation - r) / stride, for the taps whose t dilation leaves r.
  PaddedImage p;
  for (int i = 0; i < 3; ++i) {
    const WindowAxis& a = s.axis[i];
    p.low[i] = (a.kernel - 1) * a.dilation / a.stride;
    p.extent[i] = p.low[i] + std::max(a.out, (a.in - 1 + a.padding) / a.stride + 1);
  }
  const std::int64_t copy = copy_elements<T>(p, s.filters) * static_cast<std::int64_t>(sizeof(T));
  const std::int64_t phase_count = s.axis[0].stride * s.axis[1].stride * s.axis[2].stride;
  if (copy > copy_limit || phase_count > 64) return false;

  const std::int64_t depth = s.filters * s.taps;  // terms of an element, all phases together
  const Scratch<std::int64_t> term(2 * depth);
  std::int64_t* index = term.data() + depth;  // of the terms in w
  const Scratch<T> packed(s.groups * s.channels * depth);
  Phase phases[64];
  int used = 0;
  bool gaps = false;
  std::int64_t filled = 0;
  for (std::int64_t number = 0; number < phase_count; ++number) {
    const std::int64_t r[3] = {number / s.axis[2].stride / s.axis[1].stride,
                               number / s.axis[2].stride % s.axis[1].stride, number % s.axis[2].stride};
    std::int64_t u0[3], n[3];
    for (int i = 0; i < 3; ++i) {
      const WindowAxis& a = s.axis[i];
      u0[i] = a.padding > r[i] ? ceil_div(a.padding - r[i], a.stride) : 0;
      const std::int64_t most = a.in - 1 + a.padding - r[i];
      n[i] = most < 0 ? 0 : std::max<std::int64_t>(0, most / a.stride - u0[i] + 1);
    }
    if (n[0] * n[1] * n[2] == 0) continue;
    Phase& phase = phases[used];
    phase.first = filled;
    for (std::int64_t t = 0; t < s.taps; ++t) {
      const std::int64_t tap[3] = {t / s.axis[2].kernel / s.axis[1].kernel, t / s.axis[2].kernel % s.axis[1].kernel,
                                   t % s.axis[2].kernel};
      std::int64_t back[3];
      bool meets = true;
      for (int i = 0; i < 3; ++i) {
        const std::int64_t shift = tap[i] * s.axis[i].dilation - r[i];
        meets = meets && shift % s.axis[i].stride == 0;
        back[i] = shift / s.axis[i].stride;
      }
      if (!meets) continue;
      for (std::int64_t f = 0; f < s.filters; ++f, ++filled) {
        term.data()[filled] = f * p.plane() - (back[0] * p.extent[1] + back[1]) * p.extent[2] - back[2];
        index[filled] = f * s.depth + t;
      }
    }
    phase.depth = filled - phase.first;
    if (phase.depth == 0) {  // no tap reaches these
      gaps = true;
      continue;
    }
    ++used;
    for (std::int64_t g = 0; g < s.groups; ++g) {
      k.pack_rows(w + g * s.filters * s.depth, s.channels, s.taps, index + phase.first, phase.depth,
                  packed.data() + g * s.channels * depth + s.channels * phase.first);
    }
    const auto element = [&](int i) { return u0[i] * s.axis[i].stride + r[i] - s.axis[i].padding; };
    const Place from = {p.at(u0[0] + p.low[0], u0[1] + p.low[1], u0[2] + p.low[2]), p.extent[1] * p.extent[2],
                        p.extent[2]};
    const Place to = {(element(0) * s.axis[1].in + element(1)) * s.axis[2].in + element(2),
                      s.axis[0].stride * s.axis[1].in * s.axis[2].in, s.axis[1].stride * s.axis[2].in};
    cut(k.lanes, n, from, to, s.axis[2].stride, &phase.vectors);
  }

  std::int64_t out[3];
  for (int i = 0; i < 3; ++i) out[i] = s.axis[i].out;
  const std::int64_t jobs = s.batch * s.groups;
  const double work = volume(s.filters, s.depth, s.out_size);
  parallel_for(jobs, conv_chunk(jobs, work, copy), [&](std::int64_t begin, std::int64_t end) {
    const Scratch<T> memory(copy_elements<T>(p, s.filters));
    std::fill_n(memory.data() + s.filters * p.plane(), 64, T(0));
    for (std::int64_t job = begin; job < end; ++job) {
      pad_image(p, dy + job * s.filters * s.out_size, out, s.filters, memory.data());
      if (gaps) std::fill_n(dx + job * s.channels * s.in_size, s.channels * s.in_size, T(0));
      for (int i = 0; i < used; ++i) {
        const Phase& phase = phases[i];
        Windows c = {};
        c.rows = packed.data() + job % s.groups * s.channels * depth + s.channels * phase.first;
        c.row_count = s.channels;
        c.depth = phase.depth;
        c.panel = s.filters;
        c.onto_zero = true;
        c.image = memory.data();
        c.term = term.data() + phase.first;
        c.vectors = phase.vectors.count;
        c.vector = phase.vectors.at.data();
        c.run_end = phase.vectors.run_end.data();
        c.runs = phase.vectors.runs.data();
        c.out = dx + job * s.channels * s.in_size;
        c.out_row_stride = s.in_size;
        c.out_step = s.axis[2].stride;
        k.windows(c);
      }
    }
  });
  return true;
}

template <class T>
bool direct_grad_weight(const ConvPlan& s, const T* x, const T* dy, std::int64_t runs, std::int64_t width, bool add,
                        T* sums) {
  const ConvKernels& k = conv_kernels<T>();
  const PaddedImage p = padded_input(s, 0, 0, s.axis[0].out);
  const std::int64_t blocks = ceil_div(s.depth, width);
  const std::int64_t channels = std::min(s.channels, (width - 2) / s.taps + 2);  // a block may see, at most
  const std::int64_t pitch = round_up(s.filters, k.group);
  const std::int64_t elements = copy_elements<T>(p, channels) + pitch * (s.out_size + width);
  const std::int64_t bytes = elements * static_cast<std::int64_t>(sizeof(T));
  if (bytes > copy_limit) return false;

  // Positions in panels of 256: the lines of each.
  const std::int64_t line = s.axis[2].out, most = s.out_size / line + s.out_size / product_panel + 2;
  const std::int64_t panels = ceil_div(s.out_size, product_panel);
  const Scratch<std::int64_t> tables(s.depth + 2 * most + panels + 1);
  std::int64_t *const term = tables.data(), *const at = term + s.depth, *const length = at + most,
                      *const first = length + most;
  input_terms(s, p, term);
  std::int64_t lines = 0;
  for (std::int64_t panel = 0; panel < panels; ++panel) {
    first[panel] = lines;
    const std::int64_t end = std::min(s.out_size, (panel + 1) * product_panel);
    for (std::int64_t o = panel * product_panel; o < end; o += length[lines++]) {
      const std::int64_t o2 = o % line, o1 = o / line % s.axis[1].out, o0 = o / line / s.axis[1].out;
      length[lines] = std::min(line - o2, end - o);
      at[lines] = (o0 * row_step(s.axis[0]) * p.extent[1] + o1 * row_step(s.axis[1])) * p.extent[2] + o2;
    }
  }
  first[panels] = lines;

  std::int64_t in[3];
  extents_of(s, in);
  const std::int64_t count = s.groups * s.filters * s.depth, jobs = runs * s.groups * blocks;
  const double work = static_cast<double>(s.batch) * volume(s.filters, s.depth * s.groups, s.out_size);
  parallel_for(
      jobs, conv_chunk(jobs, work / static_cast<double>(jobs), bytes), [&](std::int64_t begin, std::int64_t end) {
        const Scratch<T> image_memory(copy_elements<T>(p, channels));
        const Scratch<T> turned(pitch * s.out_size), block_sums(pitch * width);
        const Scratch<std::int64_t> row(width);
        for (std::int64_t job = begin; job < end; ++job) {
          const std::int64_t run = job / (s.groups * blocks), g = job / blocks % s.groups, d = job % blocks * width;
          const std::int64_t n0 = run * s.batch / runs, n1 = (run + 1) * s.batch / runs;
          const std::int64_t rows = std::min(width, s.depth - d);
          const std::int64_t c0 = d / s.taps, c1 = (d + rows - 1) / s.taps + 1;
          for (std::int64_t i = 0; i < rows; ++i) row.data()[i] = term[d + i] - c0 * p.plane();
          T* const to = sums + run * count + g * s.filters * s.depth + d;
          T* const sum = block_sums.data();
          if (add) {
            for (std::int64_t i = 0; i < rows; ++i) {
              for (std::int64_t f = 0; f < s.filters; ++f) sum[i * pitch + f] = to[f * s.depth + i];
              std::fill(sum + i * pitch + s.filters, sum + (i + 1) * pitch, T(0));
            }
          }
          Correlation c = {};
          c.rows = rows;
          c.row = row.data();
          c.columns = s.filters;
          c.turned_stride = s.out_size * k.group;
          c.image = image_memory.data();
          c.sums = sum;
          c.sums_stride = pitch;
          c.add = add;
          for (std::int64_t n = n0; n < n1; ++n) {
            pad_image(p, x + ((n * s.groups + g) * s.channels + c0) * s.in_size, in, c1 - c0, image_memory.data());
            k.turn(dy + (n * s.groups + g) * s.filters * s.out_size, s.filters, s.out_size, turned.data());
            for (std::int64_t panel = 0; panel < panels; ++panel) {
              c.lines = first[panel + 1] - first[panel];
              c.line = at + first[panel];
              c.length = length + first[panel];
              c.turned = turned.data() + panel * product_panel * k.group;
              k.correlate(c);
              c.add = true;
            }
          }
          for (std::int64_t f = 0; f < s.filters; ++f) {
            for (std::int64_t i = 0; i < rows; ++i) to[f * s.depth + i] = sum[i * pitch + f];
          }
        }
      });
  return true;
}

template bool direct_forward(const ConvPlan&, const float*, const float*, float*);
template bool direct_forward(const ConvPlan&, const double*, const double*, double*);
template bool direct_grad_input(const ConvPlan&, float*, const float*, const float*);
template bool direct_grad_input(const ConvPlan&, double*, const double*, const double*);
template bool direct_grad_weight(const ConvPlan&, const float*, const float*, std::int64_t, std::int64_t, bool, float*);
template bool direct_grad_weight(const ConvPlan&, const double*, const double*, std::int64_t, std::int64_t, bool,
                                 double*);

}  // namespace weft::backends::cpu
