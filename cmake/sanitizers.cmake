# WEFT_SANITIZE instruments everything in the build, so it is only honoured at the top level.
if(WEFT_SANITIZE AND PROJECT_IS_TOP_LEVEL)
  add_compile_options(-fsanitize=${WEFT_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${WEFT_SANITIZE})
  if(WEFT_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-Wno-tsan)  # Eigen's event count uses fences, which g++ announces it does not model
  endif()
endif()
