export { costKeys } from '../vmm/cost-keys';
export type { CostKey, Costs } from '../vmm/cost-keys';
