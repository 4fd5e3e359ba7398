#pragma once
// Everything in weft is compiled with hidden visibility; what carries WEFT_API is the library's interface.

#define WEFT_API __attribute__((visibility("default")))
