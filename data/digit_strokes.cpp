#include <weft/data/digit_strokes.h>

namespace weft {
namespace {

constexpr bool straight = false;
constexpr bool curved = true;

constexpr StrokePoint zero_loop[] = {{.58, .05}, {.36, .10}, {.23, .34}, {.22, .64}, {.36, .90},
                                     {.56, .95}, {.74, .78}, {.79, .48}, {.72, .20}, {.52, .04}};
constexpr StrokePoint zero_round_loop[] = {{.50, .08}, {.24, .22}, {.13, .50}, {.24, .80}, {.50, .93},
                                           {.77, .80}, {.87, .50}, {.77, .21}, {.47, .08}};
constexpr PenStroke zero_a[] = {{curved, zero_loop}};
constexpr PenStroke zero_b[] = {{curved, zero_round_loop}};
constexpr DigitShape zeros[] = {zero_a, zero_b};

constexpr StrokePoint one_bar[] = {{.51, .04}, {.50, .50}, {.49, .96}};
constexpr StrokePoint one_flag[] = {{.32, .24}, {.53, .05}, {.52, .96}};
constexpr StrokePoint one_base[] = {{.30, .95}, {.74, .95}};
constexpr PenStroke one_a[] = {{curved, one_bar}};
constexpr PenStroke one_b[] = {{straight, one_flag}};
constexpr PenStroke one_c[] = {{straight, one_flag}, {straight, one_base}};
constexpr DigitShape ones[] = {one_a, one_b, one_c};

constexpr StrokePoint two_neck[] = {{.22, .26}, {.36, .08}, {.60, .06}, {.75, .24}, {.64, .50}, {.40, .74}, {.19, .94}};
constexpr StrokePoint two_base[] = {{.19, .94}, {.50, .92}, {.82, .93}};
constexpr StrokePoint two_looped[] = {{.24, .22}, {.42, .06}, {.66, .12}, {.72, .34}, {.54, .62}, {.30, .88},
                                      {.16, .90}, {.20, .76}, {.38, .80}, {.58, .93}, {.84, .86}};
constexpr PenStroke two_a[] = {{curved, two_neck}, {straight, two_base}};
constexpr PenStroke two_b[] = {{curved, two_looped}};
constexpr DigitShape twos[] = {two_a, two_b};

constexpr StrokePoint three_upper[] = {{.24, .15}, {.46, .04}, {.70, .14}, {.70, .34}, {.42, .47}};
constexpr StrokePoint three_lower[] = {{.42, .47}, {.72, .56}, {.78, .78}, {.54, .95}, {.21, .86}};
constexpr StrokePoint three_top[] = {{.22, .07}, {.74, .06}, {.46, .40}};
constexpr StrokePoint three_belly[] = {{.46, .40}, {.70, .48}, {.78, .70}, {.60, .92}, {.22, .90}};
constexpr PenStroke three_a[] = {{curved, three_upper}, {curved, three_lower}};
constexpr PenStroke three_b[] = {{straight, three_top}, {curved, three_belly}};
constexpr DigitShape threes[] = {three_a, three_b};

constexpr StrokePoint four_closed[] = {{.64, .96}, {.62, .05}, {.17, .64}, {.86, .63}};
constexpr StrokePoint four_hook[] = {{.30, .06}, {.22, .54}, {.80, .52}};
constexpr StrokePoint four_stem[] = {{.72, .10}, {.66, .52}, {.62, .96}};
constexpr PenStroke four_a[] = {{straight, four_closed}};
constexpr PenStroke four_b[] = {{straight, four_hook}, {curved, four_stem}};
constexpr DigitShape fours[] = {four_a, four_b};

constexpr StrokePoint five_top[] = {{.78, .06}, {.34, .07}, {.28, .44}};
constexpr StrokePoint five_belly[] = {{.28, .44}, {.52, .37}, {.76, .50}, {.77, .76}, {.54, .94}, {.22, .88}};
constexpr StrokePoint five_snake[] = {{.76, .09}, {.42, .10}, {.30, .30}, {.50, .46},
                                      {.72, .62}, {.66, .86}, {.42, .95}, {.22, .84}};
constexpr PenStroke five_a[] = {{straight, five_top}, {curved, five_belly}};
constexpr PenStroke five_b[] = {{curved, five_snake}};
constexpr DigitShape fives[] = {five_a, five_b};

constexpr StrokePoint six_curl[] = {{.68, .06}, {.44, .18}, {.28, .46}, {.24, .74}, {.44, .95},
                                    {.70, .86}, {.74, .64}, {.54, .51}, {.28, .68}};
constexpr StrokePoint six_tall[] = {{.50, .03}, {.34, .32}, {.27, .66}, {.38, .93},
                                    {.62, .92}, {.70, .72}, {.52, .60}, {.30, .74}};
constexpr PenStroke six_a[] = {{curved, six_curl}};
constexpr PenStroke six_b[] = {{curved, six_tall}};
constexpr DigitShape sixes[] = {six_a, six_b};

constexpr StrokePoint seven_angle[] = {{.20, .09}, {.78, .08}, {.42, .96}};
constexpr StrokePoint seven_bar[] = {{.34, .52}, {.72, .49}};
constexpr StrokePoint seven_bent[] = {{.20, .16}, {.46, .08}, {.76, .10}, {.66, .40}, {.54, .68}, {.50, .97}};
constexpr PenStroke seven_a[] = {{straight, seven_angle}};
constexpr PenStroke seven_b[] = {{straight, seven_angle}, {straight, seven_bar}};
constexpr PenStroke seven_c[] = {{curved, seven_bent}};
constexpr DigitShape sevens[] = {seven_a, seven_b, seven_c};

constexpr StrokePoint eight_knot[] = {{.70, .14}, {.48, .04}, {.28, .18}, {.38, .38}, {.62, .56}, {.75, .78},
                                      {.50, .96}, {.26, .78}, {.40, .56}, {.64, .38}, {.70, .13}};
constexpr StrokePoint eight_upper[] = {{.50, .46}, {.30, .28}, {.50, .05}, {.70, .26}, {.49, .46}};
constexpr StrokePoint eight_lower[] = {{.50, .46}, {.24, .70}, {.50, .95}, {.76, .72}, {.50, .46}};
constexpr PenStroke eight_a[] = {{curved, eight_knot}};
constexpr PenStroke eight_b[] = {{curved, eight_upper}, {curved, eight_lower}};
constexpr DigitShape eights[] = {eight_a, eight_b};

constexpr StrokePoint nine_loop[] = {{.72, .24}, {.52, .05}, {.28, .16}, {.28, .40},
                                     {.50, .50}, {.70, .34}, {.73, .20}};
constexpr StrokePoint nine_stem[] = {{.73, .20}, {.70, .58}, {.62, .97}};
constexpr StrokePoint nine_hook[] = {{.73, .20}, {.76, .56}, {.66, .86}, {.44, .96}, {.26, .86}};
constexpr PenStroke nine_a[] = {{curved, nine_loop}, {curved, nine_stem}};
constexpr PenStroke nine_b[] = {{curved, nine_loop}, {curved, nine_hook}};
constexpr DigitShape nines[] = {nine_a, nine_b};

constexpr std::span<const DigitShape> all[] = {zeros, ones, twos, threes, fours, fives, sixes, sevens, eights, nines};

}  // namespace

std::span<const DigitShape> digit_shapes(int digit) noexcept { return all[digit]; }

}  // namespace weft
