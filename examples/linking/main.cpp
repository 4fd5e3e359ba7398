#include <cstdio>

#include <weft/weft.h>

int main() {
  std::printf("weft %s\n", weft::version());
  return 0;
}
