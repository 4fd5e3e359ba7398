#include <weft/core/cpu_quota.h>

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include <weft/core/thread_pool.h>

namespace weft {
namespace {

class CpuQuota : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/weft-quota-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    root_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  void put(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }
  std::string root_;
};

TEST_F(CpuQuota, Version2) {
  EXPECT_EQ(cgroup_cpu_limit("0::/\n", root_), 0);
  put("/cpu.max", "max 100000\n");
  EXPECT_EQ(cgroup_cpu_limit("0::/\n", root_), 0);
  put("/cpu.max", "250000 100000\n");
  EXPECT_EQ(cgroup_cpu_limit("0::/\n", root_), 3);
  EXPECT_EQ(cgroup_cpu_limit("0::/a/path/outside/this/view\n", root_), 3);
  put("/a/cpu.max", "50000 100000\n");
  put("/a/b/cpu.max", "max 100000\n");
  EXPECT_EQ(cgroup_cpu_limit("0::/a/b\n", root_), 1);
  put("/a/cpu.max", "800000 100000\n");
  EXPECT_EQ(cgroup_cpu_limit("0::/a/b\n", root_), 3);
  put("/a/cpu.max", "garbage");
  EXPECT_EQ(cgroup_cpu_limit("0::/a\n", root_), 3);
}

TEST_F(CpuQuota, Version1) {
  const char* membership = "12:cpuset:/x\n4:cpu,cpuacct:/docker/f00\n1:name=systemd:/y\n";
  EXPECT_EQ(cgroup_cpu_limit(membership, root_), 0);
  put("/cpu,cpuacct/docker/f00/cpu.cfs_quota_us", "-1\n");
  put("/cpu,cpuacct/docker/f00/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cgroup_cpu_limit(membership, root_), 0);
  put("/cpu,cpuacct/docker/f00/cpu.cfs_quota_us", "400000\n");
  EXPECT_EQ(cgroup_cpu_limit(membership, root_), 4);
  put("/cpu/cpu.cfs_quota_us", "150000\n");
  put("/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cgroup_cpu_limit(membership, root_), 2);
}

TEST(HardwareThreads, AtLeastOneAndAtMostTheMask) {
  EXPECT_GE(hardware_threads(), 1);
  EXPECT_LE(hardware_threads(), static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace
}  // namespace weft
